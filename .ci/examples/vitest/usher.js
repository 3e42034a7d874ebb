// A world of its own for each test. Copy this file, and usher.setup.js.
import { expect, inject, test as base } from 'vitest';

export class Sandbox {
  constructor(url, control) {
    this.url = url; // where every API is found, with the demo accounts
    this.control = control;
  }

  static async create(usher, spec = {}) {
    const sandboxes = `${usher}/_usher/sandboxes`;
    const made = await send('POST', sandboxes, spec);
    return new Sandbox(made.urls.path, `${sandboxes}/${made.name}`);
  }

  // Stops the clock.
  freeze() {
    return send('PATCH', `${this.control}/clock`, { frozen: true });
  }

  // Moves the clock on, by as much as '90s' or '1h30m'.
  advance(by) {
    return send('PATCH', `${this.control}/clock`, { advance: by });
  }

  // Has requests go wrong: { api: 'saymon', operation: 'createUser', status: 503, first: 2 }.
  fault(rule) {
    return send('POST', `${this.control}/faults`, rule);
  }

  // Fails unless these were sent, in this order: { operation: 'createUser', exactly: 1 }.
  async expectSent(...requests) {
    const verdict = await send('POST', `${this.control}/journal/assert`, { requests, ordered: true });
    expect(verdict.met, JSON.stringify(verdict.requests, null, 2)).toBe(true);
  }

  delete() {
    return send('DELETE', this.control);
  }
}

export const test = base.extend({
  sandbox: async ({}, use) => {
    const sandbox = await Sandbox.create(inject('usher'));
    await use(sandbox);
    await sandbox.delete();
  },
});

async function send(method, url, body) {
  const answer = await fetch(url, {
    method,
    headers: body && { 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  expect(answer.ok, text).toBe(true);
  return text && JSON.parse(text);
}
