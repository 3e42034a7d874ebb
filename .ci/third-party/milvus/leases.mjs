// Does what a secrets manager does that hands out users for a while: a user and a role
// for a lease, its privileges all at once; at the end the role is taken and dropped,
// which fails under 200 while it has privileges, and goes unnoticed; then the user goes.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { step } from '../steps.mjs';

const axios = createRequire(import.meta.url)('axios');
const named = 'leases with axios, ';
const as = (user) => axios.create({
  baseURL: process.argv[2] + '/v2/vectordb',
  headers: { Authorization: `Bearer ${user}`, 'Content-Type': 'application/json' },
  maxRedirects: 0,
});
const root = as('root:Milvus');
const userName = 'Kq7vXw2LmT9sRb4YcJ8nPd5ZfG3hAe6u';
const password = 'p_Vt8!sQ2@xN5*kH7-bL4rYw9ZcMj3Ta';
const roleName = 'lease_role_' + userName;
const privileges = ['Search', 'Query', 'Insert', 'Delete', 'Load', 'Release', 'GetStatistics', 'CreateIndex'];

await step(named + 'the manager sees that it may', async () => {
  assert.equal((await root.post('/users/describe', { userName: 'root' })).status, 200);
  await assert.rejects(as('root:wrong').post('/users/describe', { userName: 'root' }), (e) => e.response.status === 401);
});
await step(named + 'a lease begins', async () => {
  assert.equal((await root.post('/users/create', { userName, password })).data.code, 0);
  assert.equal((await root.post('/roles/create', { roleName })).data.code, 0);
  const grants = await Promise.all(privileges.map((privilege) => root.post('/roles/grant_privilege',
    { roleName, objectType: 'Collection', objectName: '*', privilege, dbName: 'default' })));
  assert.deepEqual(grants.map(({ data }) => data.code), privileges.map(() => 0));
  assert.equal((await root.post('/users/grant_role', { userName, roleName })).data.code, 0);
  assert.deepEqual((await as(`${userName}:${password}`).post('/users/describe', { userName })).data.data, [roleName]);
  const granted = (await root.post('/roles/describe', { roleName })).data.data.map((grant) => grant.privilege);
  assert.deepEqual(privileges.filter((privilege) => !granted.includes(privilege)), []);
});
await step(named + 'it ends, and leaves the role', async () => {
  assert.equal((await root.post('/users/revoke_role', { userName, roleName })).data.code, 0);
  const dropped = await root.post('/roles/drop', { roleName });
  assert.deepEqual([dropped.status, dropped.data.code], [200, 1100]);
  assert.equal((await root.post('/users/drop', { userName })).data.code, 0);
  await assert.rejects(as(`${userName}:${password}`).post('/users/describe', { userName }), (e) => e.response.status === 401);
  assert((await root.post('/roles/list', {})).data.data.includes(roleName));
});
