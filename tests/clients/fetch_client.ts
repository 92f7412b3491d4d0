// The client that openapi-generator makes for TypeScript with fetch, against a server: BASE SETTING PASSWORD.
import { deepStrictEqual as same, ok } from 'node:assert/strict';
import {
  Configuration, ManyUsersApi, ResponseError, TokensApi, UsersApi,
  type BulkOutcome, type BulkPreview, type Expression, type OrOperand, type WholeUser,
} from './generated/index.ts';
import { check } from './by_name/by_name.ts';

const [basePath = '', , password = ''] = process.argv.slice(2);

async function refused(status: number, call: Promise<unknown>): Promise<any> {
  const refusal = await call.then(() => undefined, (error: unknown) => error);
  ok(refusal instanceof ResponseError && refusal.response.status === status, String(refusal));
  return refusal.response.json();
}

const tokens = new TokensApi(new Configuration({ basePath }));
await refused(401, tokens.obtain({ obtainRequest: { username: 'admin', password: 'wrong' } }));
const { access } = await tokens.obtain({ obtainRequest: { username: 'admin', password } });
const signedIn = new Configuration({ basePath, accessToken: access });
const users = new UsersApi(signedIn);

const whole = (username: string): WholeUser =>
  ({ username, password: 'a few unrelated words', firstName: '', lastName: '', email: '' });
const ada = await users.createUser({ wholeUser: { ...whole('fetch.ada'), email: 'ada@fetch.example' } });
const bob = await users.createUser({ wholeUser: whole('fetch.bob') });
ok(ada.isActive && ada.lastLogin === null && ada.dateJoined instanceof Date);
same(await refused(400, users.createUser({ wholeUser: whole('FETCH.ada') })),
  { username: ['A user with that username already exists.'] });

await check(users, ada, refused);

const part: OrOperand = { type: 'contains', field: 'username', subString: 'fetch.b' };
const either: Expression = {
  type: 'or',
  subExpressions: [
    {
      type: 'and',
      subExpressions: [
        { type: 'compare', field: 'pk', operator: '>=', value: ada.pk },
        { type: 'exact', field: 'username', value: 'FETCH.ADA', caseInsensitive: true },
      ],
    },
    part,
  ],
};
const userList = { expressions: [either], orderBy: [{ field: 'pk', ascending: false }] };
same(await users.listUsers({ userList }), [bob, ada]);
ok((await users.listUsers()).some((user) => user.pk === ada.pk));

const changed = await users.updateUser({ pk: ada.pk, wholeUser: { ...whole('fetch.ada'), firstName: 'Ada' } });
same([changed.firstName, changed.email], ['Ada', '']);
const first = await users.partialUpdateUserRaw({ pk: ada.pk, userChanges: { isStaff: true } });
const ifMatch = first.raw.headers.get('ETag') ?? '';
ok((await users.partialUpdateUser({ pk: ada.pk, ifMatch, userChanges: { lastName: 'L' } })).isStaff);
await refused(412, users.partialUpdateUser({ pk: ada.pk, ifMatch, userChanges: {} }));

const many = new ManyUsersApi(signedIn);
const preview = await many.bulk({ bulkRequest: { action: 'deactivate', ids: [bob.pk], preview: true } });
same((preview as BulkPreview).ready, 1);
const outcome = await many.bulk({ bulkRequest: { action: 'deactivate', filter: { expressions: [part] } } });
same((outcome as BulkOutcome).done, 1);

await users.deactivateUser({ pk: ada.pk });
const found = await users.listUsers({ userList: { ...userList, includeInactive: true } });
same(found.map((user) => user.isActive), [false, false]);
