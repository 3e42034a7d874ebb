/** What the journeys have in common. */

export const name = "journey_typescript";

/** The user's first password and the one after the change, under every vendor's rule. */
export const passwords = ["First-Passw0rd", "Second-Passw0rd"] as const;

export const basic = (user: string, password: string) => ({
  Authorization: `Basic ${btoa(`${user}:${password}`)}`,
});

export const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

/** An answer as openapi-fetch gives it, of an operation with some success T and some failure E. */
type Answer<T, E> = { data?: T; error?: E; response: Response };

/** The success of an operation, or an exception that has its failure. */
export function success<T, E>({ data, error, response }: Answer<T, E>): T {
  if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(error)}`);
  return data as T;
}

/** The failure of an operation, which must have this status. */
export function failure<T, E>(status: number, { data, error, response }: Answer<T, E>): E {
  if (response.status !== status) {
    throw new Error(`${response.status} instead of ${status}: ${JSON.stringify(data ?? error)}`);
  }
  return error as E;
}

export function expect(what: string, holds: boolean): void {
  if (!holds) throw new Error(`not so: ${what}`);
}
