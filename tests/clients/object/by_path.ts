import type { Client } from 'openapi-fetch';
import type { paths } from '../generated/types.ts';

export async function byKeyAndName(client: Client<paths>, pk: number, name: string) {
  const key = await client.GET('/v1/users/{pk}', { params: { path: { pk: String(pk) } } });
  const named = await client.GET('/v1/users/{pk}', { params: { path: { pk: name } } });
  return [key.data, named.data];
}
