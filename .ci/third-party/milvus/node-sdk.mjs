// Drives the HttpClient of Milvus' SDK for Node.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { step } from '../steps.mjs';

const { HttpClient } = createRequire(import.meta.url)('@zilliz/milvus2-sdk-node');
const endpoint = process.argv[2];
const as = (username, password) => new HttpClient({ endpoint, username, password });
const root = as('root', 'Milvus');
const done = { code: 0, data: {} };
const user = { userName: 'node_sdk' };
const role = { roleName: 'node_sdk_role' };
const grant = { ...role, objectType: 'Collection', objectName: '*', privilege: 'Search' };
const named = 'node-sdk, ';

await step(named + 'a token in place of name and password', async () => {
  const users = await new HttpClient({ endpoint, token: 'root:Milvus' }).listUsers();
  assert.deepEqual(users, { code: 0, data: ['milvusAdmin', 'root'] });
});
await step(named + 'a user is made, listed, described', async () => {
  assert.deepEqual(await root.createUser({ ...user, password: 'P@ssw0rd1' }), done);
  assert((await root.listUsers()).data.includes(user.userName));
  assert.deepEqual((await root.describeUser(user)).data, []);
});
await step(named + 'a user that exists is an error under 200', async () => {
  const { code, message } = await root.createUser({ ...user, password: 'P@ssw0rd1' });
  assert.equal(code, 1100);
  assert.equal(message, 'user already exists: node_sdk: invalid parameter');
});
await step(named + 'a role is made, listed, granted, revoked', async () => {
  assert.deepEqual(await root.createRole(role), done);
  assert.deepEqual((await root.listRoles()).data.filter((r) => r === role.roleName), [role.roleName]);
  assert.deepEqual(await root.grantRoleToUser({ ...user, ...role }), done);
  assert.deepEqual((await root.describeUser(user)).data, [role.roleName]);
  assert.deepEqual(await root.revokeRoleFromUser({ ...user, ...role }), done);
  assert.deepEqual((await root.describeUser(user)).data, []);
});
await step(named + 'a privilege is granted, described, revoked', async () => {
  assert.deepEqual(await root.grantPrivilegeToRole({ ...grant }), done);
  assert.deepEqual((await root.describeRole({ ...role })).data, [
    { dbName: 'default', grantor: 'root', objectName: '*', objectType: 'Collection', privilege: 'Search' },
  ]);
  assert.deepEqual(await root.revokePrivilegeFromRole({ ...grant }), done);
  assert.deepEqual((await root.describeRole({ ...role })).data, []);
});
await step(named + 'a user changes the own password', async () => {
  const change = { ...user, password: 'P@ssw0rd1', newPassword: 'P@ssw0rd2' };
  assert.deepEqual(await as(user.userName, 'P@ssw0rd1').updateUserPassword(change), done);
  assert.deepEqual((await as(user.userName, 'P@ssw0rd2').describeUser(user)).data, []);
});
await step(named + 'the old password is an HttpError of 401', async () => {
  await assert.rejects(as(user.userName, 'P@ssw0rd1').describeUser(user), (e) => {
    assert.equal(e.name, 'HttpError');
    assert.equal(e.status, 401);
    assert.match(e.message, /"code":1800/);
    return true;
  });
});
await step(named + 'a user without the right is an HttpError of 403', async () => {
  const attempt = as(user.userName, 'P@ssw0rd2').createUser({ userName: 'nobody', password: 'P@ssw0rd1' });
  await assert.rejects(attempt, (e) => e.status === 403 && /PrivilegeCreateOwnership: permission deny to node_sdk/.test(e.message));
});
await step(named + 'the user and the role go', async () => {
  assert.deepEqual(await root.dropUser(user), done);
  assert.deepEqual(await root.dropRole(role), done);
  assert(!(await root.listUsers()).data.includes(user.userName));
  assert(!(await root.listRoles()).data.includes(role.roleName));
});
