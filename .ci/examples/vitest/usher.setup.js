// Starts usher before the tests and ends it after them. Copy this file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export default async function setup(project) {
  const folder = await mkdtemp(join(tmpdir(), 'usher-'));
  const ready = join(folder, 'ready.json');
  const args = ['serve', '--demo', '--listen', '127.0.0.1:0', '--ready-file', ready];
  const server = spawn(process.env.USHER ?? 'usher', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  server.stderr.on('data', (text) => { log += text; });
  await once(server, 'spawn'); // throws if there is no such program
  const ended = once(server, 'exit');
  for (const deadline = Date.now() + 10_000; !existsSync(ready); await sleep(10)) {
    if (server.exitCode !== null || Date.now() > deadline) {
      server.kill();
      throw new Error(`usher did not start: ${log}`);
    }
  }
  project.provide('usher', JSON.parse(await readFile(ready, 'utf8')).urls.all);
  return async () => {
    server.kill();
    await ended;
    await rm(folder, { recursive: true });
  };
}
