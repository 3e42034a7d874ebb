// Drives the client that belongs to restify, which the server's answers are made by.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { step } from '../steps.mjs';

const restify = createRequire(import.meta.url)('restify-clients');
const named = 'restify-clients, ';
const users = '/node/api/users';
const bob = '5e78c51788c61a1fbf34b673';

function client(login, password) {
  const json = restify.createJsonClient({ url: process.argv[2], retry: false });
  if (login) json.basicAuth(login, password);
  const call = (verb) => (...args) => new Promise((done, fail) => {
    json[verb](...args, (error, request, response, answer) => error ? fail(error) : done(answer));
  });
  return { get: call('get'), post: call('post'), put: call('put'), patch: call('patch'), del: call('del'), close: () => json.close() };
}
const fails = (attempt, name, status, message) =>
  assert.rejects(attempt, (e) => {
    assert.deepEqual([e.name, e.statusCode, e.restCode + 'Error', e.body.message], [name, status, name, message]);
    return true;
  });

const admin = client('admin', 'saymon-admin');
let id, session, token;

await step(named + 'a user is made, read, changed', async () => {
  const made = await admin.post(users, { login: 'restify', password: 'first-secret', permissions: [] });
  id = made.id;
  assert.match(id, /^[0-9a-f]{24}$/);
  assert.equal((await admin.get(`${users}/${id}`)).login, 'restify');
  assert.equal((await admin.patch(`${users}/${id}`, { displayName: 'Rest' })).displayName, 'Rest');
  assert((await admin.get(users)).some((user) => user.id === id));
});
await step(named + 'a user changes the own password', async () => {
  const user = client('restify', 'first-secret');
  await user.put(`${users}/${id}/password`, { currentPassword: 'first-secret', newPassword: 'second-secret' });
  await fails(user.get(users + '/current'), 'InvalidCredentialsError', 401, '{"errorCode":3,"message":"Invalid login or password."}');
  user.close();
});
await step(named + 'a session by its cookie, until it ends', async () => {
  const anyone = client();
  session = await anyone.post(users + '/session', { login: 'restify', password: 'second-secret' });
  const cookie = { headers: { Cookie: `sid=${session}` } };
  assert.equal((await anyone.get({ path: users + '/current', ...cookie })).id, id);
  await anyone.del({ path: users + '/session', ...cookie });
  await fails(anyone.get({ path: users + '/current', ...cookie }), 'UnauthorizedError', 401, '{"errorCode":3,"message":"Session expired."}');
  anyone.close();
});
await step(named + 'a token in the query, until it is taken away', async () => {
  const anyone = client();
  token = await admin.post(`${users}/${id}/auth-token`, {});
  assert.equal((await anyone.get(`${users}/current?api-token=${token}`)).id, id);
  await admin.del(`${users}/${id}/auth-token`);
  await fails(anyone.get(`${users}/current?api-token=${token}`), 'UnauthorizedError', 401, '{"errorCode":3,"message":"Invalid API token."}');
  anyone.close();
});
await step(named + 'a group gives its rights', async () => {
  const user = client('restify', 'second-secret');
  await fails(user.patch(`${users}/${bob}`, { displayName: 'B' }), 'ForbiddenError', 403, 'Permission denied. Required permissions: manage-users');
  const group = await admin.post('/node/api/user-groups', { name: 'managers', permissions: ['manage-users'] });
  await admin.patch(`${users}/${id}`, { group: [group.id] });
  assert.equal((await user.patch(`${users}/${bob}`, { displayName: 'B' })).displayName, 'B');
  await admin.del(`/node/api/user-groups/${group.id}`);
  await fails(user.patch(`${users}/${bob}`, { displayName: 'C' }), 'ForbiddenError', 403, 'Permission denied. Required permissions: manage-users');
  user.close();
});
await step(named + 'a policy refuses a password', async () => {
  const [policy] = await admin.get('/node/api/password-policies');
  await admin.patch(`/node/api/password-policies/${policy.id}`, { length: 32 });
  await fails(admin.put(`${users}/${id}/password`, { newPassword: 'short' }), 'InternalError', 500,
    'caused by Error: Password does not match policy: minimum number of characters - 32');
  await admin.patch(`/node/api/password-policies/${policy.id}`, { length: 1 });
});
await step(named + 'errors are told apart by their code', async () => {
  await fails(admin.put(`${users}/${bob}/password`, {}), 'BadRequestError', 400, 'Mandatory "newPassword" parameter is absent/empty.');
  await fails(admin.get('/node/api/nosuch'), 'ResourceNotFoundError', 404, '/node/api/nosuch does not exist');
  await fails(admin.del(users), 'MethodNotAllowedError', 405, 'DELETE is not allowed');
  await fails(admin.post(users, { login: 'Bob', password: 'x' }), 'ConflictError', 409, 'User with login "Bob" already exists');
});
await step(named + 'the user goes', async () => {
  await admin.del(`${users}/${id}`);
  await fails(admin.get(`${users}/${id}`), 'NotFoundError', 404, `User with id ${id} not found`);
});
admin.close();
