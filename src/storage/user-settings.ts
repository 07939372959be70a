import type { MatrixUserId } from '../model/ids.ts';
import type { Tx } from './database.ts';

/** What a person can choose; each has a default of the operator's. */
export type UserSettingName = 'read-receipts' | 'typing';

/** The choices of people about their own side of all bridged chats. */
export class UserSettings {
  /** @returns `undefined`: nothing was chosen. */
  async find(tx: Tx, user: MatrixUserId, name: UserSettingName): Promise<string | undefined> {
    const row = await tx('user_settings')
      .where({ matrix_user_id: user, name })
      .first<{ value: string } | undefined>('value');
    return row?.value;
  }

  /** @param value at most 64 characters. */
  async save(tx: Tx, user: MatrixUserId, name: UserSettingName, value: string): Promise<void> {
    await tx('user_settings')
      .insert({ matrix_user_id: user, name, value })
      .onConflict(['matrix_user_id', 'name'])
      .merge(['value']);
  }

  async deleteOf(tx: Tx, user: MatrixUserId): Promise<void> {
    await tx('user_settings').where({ matrix_user_id: user }).delete();
  }
}
