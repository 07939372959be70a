import { createHash } from 'node:crypto';
import type { Log } from '../model/ambient.ts';
import { codeOf } from '../model/errors.ts';
import type { ContactId } from '../model/ids.ts';
import type { Account } from '../storage/storage.ts';
import { type BridgeParts, enlistedAccount, networkOf } from './parts.ts';

/** Keeps ghosts registered, with the name that the network gives to the contact. */
export class GhostProfiles {
  readonly #parts: BridgeParts;
  readonly #log: Log;

  constructor(parts: BridgeParts) {
    this.#parts = parts;
    this.#log = parts.log.child({ part: 'ghost-profiles' });
  }

  /**
   * Registers the ghost if it is new and gives it its name if that changed.
   * @param known the contact's name, when the caller has just learnt it; else the network is asked.
   * @returns the name; the local part of the JID when the network tells none.
   */
  async ensure(account: Account, contact: ContactId, known?: string): Promise<string> {
    const { storage, matrix } = this.#parts;
    const name = known ?? (await this.#askForName(account, contact)) ?? localpart(contact);
    const user = matrix.ghostUserId(account.network, contact);
    const profileSha256 = createHash('sha256').update(name).digest('hex');
    const last = await storage.database.transaction(
      async (tx) => await storage.ghosts.findProfileSha256(tx, account.network, contact),
    );
    if (last === profileSha256) return name;
    const { adapter } = networkOf(this.#parts, account);
    await matrix.ensureGhost({ userId: user, displayName: `${name} (${adapter.displayName})` });
    await storage.database.transaction(async (tx) => {
      await storage.ghosts.save(tx, { network: account.network, contact, user, profileSha256 });
    });
    return name;
  }

  async #askForName(account: Account, contact: ContactId): Promise<string | undefined> {
    const network = networkOf(this.#parts, account);
    try {
      const enlisted = await this.#parts.storage.database.transaction(
        async (tx) => await enlistedAccount(tx, network, account),
      );
      const [found] = await network.adapter.enlistment.lookup(enlisted, [
        { kind: 'interop_id', value: localpart(contact) },
      ]);
      return found?.status === 'reachable' ? found.displayName : undefined;
    } catch (failure) {
      // A name is a comfort: the conversation does not wait for it.
      this.#log.warn('contact name not learnt', { account: account.id, code: codeOf(failure) });
      return undefined;
    }
  }
}

function localpart(contact: ContactId): string {
  return contact.slice(0, contact.indexOf('@'));
}
