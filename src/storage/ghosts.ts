import type { ContactId, MatrixUserId, NetworkId } from '../model/ids.ts';
import type { Tx } from './database.ts';

/** Which profile the homeserver was last given for a ghost, so that it is sent only when it changed. */
export class Ghosts {
  /** @returns SHA-256 of the profile last sent; `undefined` when the ghost was never made. */
  async findProfileSha256(tx: Tx, network: NetworkId, contact: ContactId): Promise<string | undefined> {
    const row = await tx('ghosts')
      .where({ network, contact_id: contact })
      .first<{ profile_sha256: string | null } | undefined>();
    return row?.profile_sha256 ?? undefined;
  }

  /** Forgets the ghosts of contacts with whom nobody has a portal any more. */
  async deleteUnused(tx: Tx): Promise<void> {
    await tx('ghosts')
      .whereNotExists(
        tx('portals')
          .join('accounts', 'accounts.id', 'portals.account_id')
          .whereRaw('portals.contact_id = ghosts.contact_id')
          .whereRaw('accounts.network = ghosts.network')
          .select(tx.raw('1')),
      )
      .delete();
  }

  async save(
    tx: Tx,
    ghost: { network: NetworkId; contact: ContactId; user: MatrixUserId; profileSha256: string },
  ): Promise<void> {
    await tx('ghosts')
      .insert({
        network: ghost.network,
        contact_id: ghost.contact,
        matrix_user_id: ghost.user,
        profile_sha256: ghost.profileSha256,
      })
      .onConflict(['network', 'contact_id'])
      .merge(['profile_sha256']);
  }
}
