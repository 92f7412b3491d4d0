import { deepStrictEqual as same } from 'node:assert/strict';
import type { User, UsersApi } from '../generated/index.ts';

export async function check(users: UsersApi, ada: User, _refused: unknown) {
  same(await users.retrieveUser({ pk: ada.pk }), ada);
  same(await users.retrieveUserByName({ name: 'FETCH.ada' }), [ada]);
  same(await users.retrieveUserByName({ name: 'fetch.nobody' }), []);
}
