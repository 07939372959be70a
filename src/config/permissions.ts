import { type MatrixUserId, serverOf } from '../model/ids.ts';
import type { Config, Permission } from './schema.ts';

/**
 * What `user` may do: the entry for the user id, else for the server, else `*`, else `none`. Server names are compared
 * exactly as they stand, port included.
 */
export function permissionOf(permissions: Config['bridge']['permissions'], user: MatrixUserId): Permission {
  for (const key of [user, serverOf(user), '*']) {
    const permission = Object.hasOwn(permissions, key) ? permissions[key] : undefined;
    if (permission !== undefined) return permission;
  }
  return 'none';
}
