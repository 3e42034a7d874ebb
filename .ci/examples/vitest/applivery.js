// A client of Applivery, as one writes it: it is what applivery.test.js tests.
export class Applivery {
  constructor(url) {
    this.url = `${url}/v1`;
  }

  async logIn(email, password) {
    this.keep(await this.send('POST', '/auth/login', { provider: 'traditional', payload: { email, password } }));
  }

  createUser(email, password) {
    return this.call('POST', '/users', { email, password, firstName: 'Claire', lastName: 'Doe' });
  }

  changePassword(id, oldPassword, newPassword) {
    return this.call('POST', `/users/${id}/change-password`, { oldPassword, newPassword });
  }

  profile() {
    return this.call('GET', '/users/profile');
  }

  keep({ accessToken, refreshToken }) {
    this.tokens = { lastAccessToken: accessToken.token, refreshToken: refreshToken.token };
  }

  // Whose token has expired gets a new one, and comes again.
  async call(method, path, body) {
    try {
      return await this.send(method, path, body);
    } catch (error) {
      if (error.status !== 401) throw error;
      this.keep(await this.send('POST', '/auth/refresh', this.tokens));
      return this.send(method, path, body);
    }
  }

  async send(method, path, body) {
    const answer = await fetch(this.url + path, {
      method,
      headers: {
        ...(body && { 'Content-Type': 'application/json' }),
        ...(this.tokens && { Authorization: `Bearer ${this.tokens.lastAccessToken}` }),
      },
      body: body && JSON.stringify(body),
    });
    const { data, error } = await answer.json();
    if (error) throw Object.assign(new Error(error.message), { status: answer.status, code: error.code });
    return data;
  }
}
