// Does what the vendor's own dashboards do with axios: the flag `status` decides,
// not the HTTP status; the token goes with every request; 4004 means to log in anew.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { step } from '../steps.mjs';

const axios = createRequire(import.meta.url)('axios');
const named = 'axios, ';
const john = '507f1f77bcf86cd799439023';

class ApiError extends Error {
  constructor(code, message, data) {
    super(`${code} ${message}`);
    Object.assign(this, { code, data });
  }
}
const http = axios.create({ baseURL: process.argv[2] + '/v1', timeout: 10000 });
http.interceptors.request.use((config) => {
  if (config.token) config.headers.authorization = `bearer ${config.token}`;
  return config;
});
const read = ({ data }) => {
  if (data?.status !== true) throw new ApiError(data.error.code, data.error.message, data.error.data);
  return data.data;
};
http.interceptors.response.use(read, (error) => read(error.response));

const login = (email, password) => http.post('/auth/login', { provider: 'traditional', payload: { email, password } });
const fails = (attempt, code, message) => assert.rejects(attempt, new ApiError(code, message));

let tokens;
await step(named + 'a login answers tokens and the user', async () => {
  tokens = await login('john.doe@example.com', 'CurrentSecureP@ss123');
  assert.equal(tokens.user.id, john);
  assert(Date.parse(tokens.accessToken.expireAt) > Date.now());
  const profile = await http.get('/users/profile', { token: tokens.accessToken.token });
  assert.equal(profile.fullName, 'John Doe');
});
await step(named + 'wrong credentials', () => fails(login('john.doe@example.com', 'WrongSecureP@ss123'), 4006, 'Invalid Credentials'));
await step(named + 'tokens are exchanged, the old one is invalid', async () => {
  const fresh = await http.post('/auth/refresh', { lastAccessToken: tokens.accessToken.token, refreshToken: tokens.refreshToken.token });
  await fails(http.get('/users/profile', { token: tokens.accessToken.token }), 4004, 'Invalid Token');
  tokens = fresh;
  assert.equal((await http.get(`/users/${john}`, { token: tokens.accessToken.token })).id, john);
});
await step(named + 'a password is changed, as the page has it', async () => {
  const change = { oldPassword: 'CurrentSecureP@ss123', newPassword: 'NewSecureP@ssw0rd!' };
  const path = `/users/${john}/change-password`;
  assert.deepEqual(await http.post(path, change, { token: tokens.accessToken.token }), { passwordChanged: 'OK' });
  const { accessToken } = await login('john.doe@example.com', 'NewSecureP@ssw0rd!');
  await fails(http.post(path, change, { token: accessToken.token }), 5023, 'Incorrect old password');
  await fails(http.post(path, { ...change, oldPassword: 'NewSecureP@ssw0rd!', newPassword: 'all-lower-case' }, { token: accessToken.token }), 5057, 'Insufficient Password Complexity');
  await fails(http.post(path, change), 4002, 'No auth token');
});
await step(named + 'what does not fit is listed by field', async () => {
  await assert.rejects(login(5), (e) => {
    assert.equal(e.code, 6002);
    assert(e.data.errors.every(({ field, location, messages, types }) => field && location && messages && types));
    return true;
  });
});
await step(named + 'somebody registers, logs in, changes the password', async () => {
  const email = 'jane.roe@example.com';
  const done = await http.post('/auth/register', { email, password: 'First-Secret-1', firstName: 'Jane', lastName: 'Roe', newsletter: false });
  assert.equal(done.done, true);
  const { accessToken } = await login(email, 'First-Secret-1');
  const changed = await http.post('/auth/register/update-password', { password: 'First-Secret-1', newPassword: 'Second-Secret-2' }, { token: accessToken.token });
  assert.equal(changed.done, true);
  await login(email, 'Second-Secret-2');
});
await step(named + 'an admin pages through users, makes one, changes it, deletes it', async () => {
  const { accessToken: { token } } = await login('admin@example.com', 'AdminSecureP@ss123');
  const user = await http.post('/users', { email: 'axios@example.com', password: 'First-Secret-1', firstName: 'Ax', lastName: 'Ios' }, { token });
  const page = await http.get('/users', { token, params: { page: 2, limit: 1, sort: 'email:asc' } });
  assert.deepEqual([page.items.length, page.page, page.hasPrevPage, page.prevPage], [1, 2, true, 1]);
  assert.equal((await http.put(`/users/${user.id}`, { role: 'adminViewer' }, { token })).role, 'adminViewer');
  assert.deepEqual(await http.delete(`/users/${user.id}`, { token }), { delete: 'OK' });
  await fails(http.get(`/users/${user.id}`, { token }), 3001, 'Entity not found');
});
await step(named + 'a path that is none', () => fails(http.get('/nosuch'), 1002, 'Route not found'));
