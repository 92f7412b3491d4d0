// openapi-fetch with the types that openapi-typescript makes, against a server: BASE SETTING PASSWORD.
import { deepStrictEqual as same, ok } from 'node:assert/strict';
import createClient from 'openapi-fetch';
import type { components, paths } from './generated/types.ts';
import { byKeyAndName } from './by_name/by_path.ts';

const [baseUrl = '', , password = ''] = process.argv.slice(2);
const anonymous = createClient<paths>({ baseUrl });
const signedIn = await anonymous.POST('/v1/auth/obtain', { body: { username: 'admin', password } });
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${signedIn.data?.access}` } });

type Expression = components['schemas']['Expression'];
const whole = (username: string) =>
  ({ username, password: 'a few unrelated words', first_name: '', last_name: '', email: '' });
const { data: ada } = await client.POST('/v1/users/create', { body: whole('typed.ada') });
const { data: bob } = await client.POST('/v1/users/create', { body: whole('typed.bob') });
ok(ada && bob);
const taken = await client.POST('/v1/users/create', { body: whole('typed.ADA') });
same([taken.response.status, taken.error], [400, { username: ['A user with that username already exists.'] }]);

same(await byKeyAndName(client, ada.pk, 'TYPED.ada'), [ada, ada]);

const either: Expression = {
  type: 'or',
  sub_expressions: [
    {
      type: 'and',
      sub_expressions: [
        { type: 'compare', field: 'pk', operator: '>=', value: ada.pk },
        { type: 'exact', field: 'username', value: 'TYPED.ADA', case_insensitive: true },
      ],
    },
    { type: 'contains', field: 'username', sub_string: 'typed.b' },
  ],
};
same((await client.POST('/v1/users/list', { body: { expressions: [either] } })).data, [ada, bob]);
const all = await client.POST('/v1/users/list');
ok(all.data?.some((user) => user.pk === ada.pk));

const path = { pk: ada.pk };
const changed = await client.PUT('/v1/users/{pk}', {
  params: { path }, body: { ...whole('typed.ada'), first_name: 'Ada' },
});
same(changed.data?.first_name, 'Ada');
const stale = await client.PATCH('/v1/users/{pk}', {
  params: { path, header: { 'If-Match': '"other"' } }, body: { is_staff: true },
});
same([stale.response.status, stale.error?.detail], [412, 'The record has changed since it was read.']);

const preview = await client.POST('/v1/users/bulk', { body: { action: 'deactivate', ids: [bob.pk], preview: true } });
ok(preview.data && 'ready' in preview.data && preview.data.ready === 1);
const outcome = await client.POST('/v1/users/bulk', { body: { action: 'deactivate', ids: [bob.pk] } });
ok(outcome.data && 'done' in outcome.data && outcome.data.done === 1);
same((await client.DELETE('/v1/users/{pk}', { params: { path } })).response.status, 204);
