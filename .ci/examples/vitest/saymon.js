// A client of SAYMON, as one writes it: it is what saymon.test.js tests.
export class Saymon {
  constructor(url, login, password) {
    this.users = `${url}/node/api/users`;
    this.authorization = `Basic ${btoa(`${login}:${password}`)}`;
  }

  create(login, password) {
    return this.call('POST', '', { login, password });
  }

  changePassword(id, currentPassword, newPassword) {
    return this.call('PUT', `/${id}/password`, { currentPassword, newPassword });
  }

  current() {
    return this.call('GET', '/current');
  }

  // Who is turned away with a 503 has done nothing yet, and comes again.
  async call(method, path, body) {
    for (let tries = 1; ; tries++) {
      const answer = await fetch(this.users + path, {
        method,
        headers: { Authorization: this.authorization, ...(body && { 'Content-Type': 'application/json' }) },
        body: body && JSON.stringify(body),
      });
      const text = await answer.text();
      if (answer.ok) return text && JSON.parse(text);
      if (answer.status !== 503 || tries === 3) {
        throw Object.assign(new Error(text), { status: answer.status });
      }
    }
  }
}
