import { expect } from 'vitest';
import { Saymon } from './saymon.js';
import { test } from './usher.js';

const bob = '5e78c51788c61a1fbf34b673';

test('a user who is created gets in', async ({ sandbox }) => {
  const { id } = await new Saymon(sandbox.url, 'admin', 'saymon-admin').create('claire', 'qwerty-one');
  expect(await new Saymon(sandbox.url, 'claire', 'qwerty-one').current()).toMatchObject({ id });
});

test('after a password change the old one fails', async ({ sandbox }) => {
  await new Saymon(sandbox.url, 'Bob', 'qwerty').changePassword(bob, 'qwerty', 'qwerty_qwerty');
  expect(await new Saymon(sandbox.url, 'Bob', 'qwerty_qwerty').current()).toMatchObject({ id: bob });
  await expect(new Saymon(sandbox.url, 'Bob', 'qwerty').current()).rejects.toMatchObject({ status: 401 });
});

test('the client comes again when the server is busy', async ({ sandbox }) => {
  await sandbox.fault({ api: 'saymon', operation: 'createUser', status: 503, first: 2 });
  await new Saymon(sandbox.url, 'admin', 'saymon-admin').create('claire', 'qwerty-one');
  await sandbox.expectSent(
    { operation: 'createUser', status: 503, exactly: 2 },
    { operation: 'createUser', status: 200, body: { login: 'claire' }, exactly: 1 },
  );
});

test('the client gives up in the end', async ({ sandbox }) => {
  await sandbox.fault({ api: 'saymon', operation: 'createUser', status: 503 });
  const client = new Saymon(sandbox.url, 'admin', 'saymon-admin');
  await expect(client.create('claire', 'qwerty-one')).rejects.toMatchObject({ status: 503 });
  await sandbox.expectSent({ operation: 'createUser', exactly: 3 });
});
