import { expect } from 'vitest';
import { Applivery } from './applivery.js';
import { test } from './usher.js';

const admin = ['admin@example.com', 'AdminSecureP@ss123'];
const claire = ['claire@example.com', 'FirstSecureP@ss1'];

test('a user who is created gets in', async ({ sandbox }) => {
  const client = new Applivery(sandbox.url);
  await client.logIn(...admin);
  const { id } = await client.createUser(...claire);
  await client.logIn(...claire);
  expect(await client.profile()).toMatchObject({ id, email: 'claire@example.com' });
});

test('after a password change the old one fails', async ({ sandbox }) => {
  const client = new Applivery(sandbox.url);
  await client.logIn(...admin);
  const { id } = await client.createUser(...claire);
  await client.changePassword(id, 'FirstSecureP@ss1', 'SecondSecureP@ss2');
  await client.logIn('claire@example.com', 'SecondSecureP@ss2');
  await expect(client.logIn(...claire)).rejects.toMatchObject({ message: 'Invalid Credentials' });
});

test('the client gets a new token when its own has expired', async ({ sandbox }) => {
  const client = new Applivery(sandbox.url);
  await sandbox.freeze();
  await client.logIn(...admin);
  await sandbox.advance('1h1s');
  expect(await client.profile()).toMatchObject({ email: 'admin@example.com' });
  await sandbox.expectSent(
    { operation: 'getProfile', status: 401, exactly: 1 },
    { operation: 'refresh', status: 200, exactly: 1 },
    { operation: 'getProfile', status: 200, exactly: 1 },
  );
});

test('after a month the client has to log in again', async ({ sandbox }) => {
  const client = new Applivery(sandbox.url);
  await client.logIn(...admin);
  await sandbox.advance('720h1s');
  await expect(client.profile()).rejects.toMatchObject({ status: 401 });
});

test('the client does not come again when the server fails', async ({ sandbox }) => {
  const client = new Applivery(sandbox.url);
  await client.logIn(...admin);
  await sandbox.fault({ api: 'applivery', operation: 'createUser', status: 500 });
  await expect(client.createUser(...claire)).rejects.toMatchObject({ status: 500 });
  await sandbox.expectSent({ operation: 'createUser', exactly: 1 });
});
