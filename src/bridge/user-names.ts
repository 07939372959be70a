import type { MatrixUserId } from '../model/ids.ts';

/** What stands between `@` and `:`. */
export function localpartOf(user: MatrixUserId): string {
  return user.slice(1, user.indexOf(':'));
}
