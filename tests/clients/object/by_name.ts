import { deepStrictEqual as same } from 'node:assert/strict';
import type { User, UsersApi } from '../generated/index.ts';

export async function check(users: UsersApi, ada: User, refused: (status: number, call: Promise<unknown>) => Promise<unknown>) {
  same(await users.retrieveUser({ pk: String(ada.pk) }), ada);
  same(await users.retrieveUser({ pk: 'FETCH.ada' }), ada);
  await refused(404, users.retrieveUser({ pk: 'fetch.nobody' }));
}
