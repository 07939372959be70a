import type { MatrixUserId } from '../model/ids.ts';
import type { Storage, Tx, UserSettingName } from '../storage/storage.ts';

/** What people have chosen to share of themselves; where they have not, the operator's defaults. */
export class UserChoices {
  readonly #storage: Pick<Storage, 'userSettings'>;
  readonly #defaults: Readonly<Record<UserSettingName, boolean>>;

  constructor(deps: {
    storage: Pick<Storage, 'userSettings'>;
    settings: { readonly shareByDefault: Readonly<Record<UserSettingName, boolean>> };
  }) {
    this.#storage = deps.storage;
    this.#defaults = deps.settings.shareByDefault;
  }

  async shares(tx: Tx, user: MatrixUserId, name: UserSettingName): Promise<boolean> {
    const chosen = await this.#storage.userSettings.find(tx, user, name);
    return chosen === undefined ? this.#defaults[name] : chosen === 'on';
  }

  async save(tx: Tx, user: MatrixUserId, name: UserSettingName, shares: boolean): Promise<void> {
    await this.#storage.userSettings.save(tx, user, name, shares ? 'on' : 'off');
  }
}
