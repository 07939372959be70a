import type { Tx } from './database.ts';

/** What must hold at every moment between transactions. Each query lists the ids of rows that break its rule. */
const RULES: Readonly<Record<string, (tx: Tx) => Promise<unknown[]>>> = {
  'a Matrix event that is done holds no content': async (tx) =>
    await tx('matrix_inbox').where({ state: 'done' }).whereNotNull('sealed_event').pluck('event_id'),
  'content of a failed Matrix event is kept for as long as its fate can be asked for': async (tx) =>
    await tx('matrix_inbox')
      .where({ state: 'failed' })
      .whereNotNull('sealed_event')
      .whereNotIn('event_id', tx('fates').select('event_id'))
      .pluck('event_id'),
  'a waiting Matrix event holds its content': async (tx) =>
    await tx('matrix_inbox').where({ state: 'waiting' }).whereNull('sealed_event').pluck('event_id'),
  'a stanza is held in exactly the form of its state': async (tx) =>
    await tx('network_inbox')
      .whereNot((row) =>
        row
          .where((it) =>
            it.where({ state: 'waiting' }).whereNotNull('sealed_stanza').whereNull('sealed_content'),
          )
          .orWhere((it) =>
            it.where({ state: 'decrypted' }).whereNull('sealed_stanza').whereNotNull('sealed_content'),
          )
          .orWhere((it) =>
            it.whereIn('state', ['done', 'failed']).whereNull('sealed_stanza').whereNull('sealed_content'),
          ),
      )
      .pluck('id'),
  'a stanza is settled exactly when it is done or failed': async (tx) =>
    await tx('network_inbox')
      .where((it) => it.whereIn('state', ['done', 'failed']).whereNull('settled_at_ms'))
      .orWhere((it) => it.whereIn('state', ['waiting', 'decrypted']).whereNotNull('settled_at_ms'))
      .pluck('id'),
  'a stanza in the outbox is held until it is settled, and no longer': async (tx) =>
    await tx('outbox')
      .whereNot((row) =>
        row
          .where((it) => it.where({ state: 'waiting' }).whereNotNull('sealed_stanza'))
          .orWhere((it) =>
            it.whereIn('state', ['done', 'failed']).whereNull('sealed_stanza').whereNull('number'),
          ),
      )
      .pluck('id'),
  'numbers of a stream are unique': async (tx) =>
    await tx('outbox')
      .whereNotNull('number')
      .groupBy('account_id', 'number')
      .havingRaw('count(*) > 1')
      .pluck('account_id'),
  'an account has its data key': async (tx) =>
    await tx('accounts').whereNotIn('data_key_id', tx('data_keys').select('id')).pluck('id'),
  'a data key belongs to an account or the deployment': async (tx) =>
    await tx('data_keys')
      .whereNotIn('id', tx('accounts').select('data_key_id'))
      .whereNot({ id: 'deployment' })
      .pluck('id'),
  'an account has a Signal identity': async (tx) =>
    await tx('accounts')
      .whereIn('state', ['active', 'suspended'])
      .whereNotIn('id', tx('signal_identities').select('account_id'))
      .pluck('id'),
  'a session has the identity of its contact': async (tx) =>
    await tx('signal_sessions as s')
      .leftJoin('signal_remote_identities as i', (join) =>
        join
          .on('i.account_id', 's.account_id')
          .andOn('i.contact_id', 's.contact_id')
          .andOn('i.device_id', 's.device_id'),
      )
      .whereNull('i.account_id')
      .pluck('s.contact_id'),
  'a hosted file belongs to an account until it leaves': async (tx) =>
    await tx('hosted_media')
      .whereNot({ state: 'leaving' })
      .whereNotIn('account_id', tx('accounts').select('id'))
      .pluck('id'),
  'a hosted file that leaves has neither key nor reference': async (tx) =>
    await tx('hosted_media')
      .where({ state: 'leaving' })
      .where((it) => it.whereNotNull('sealed_facts').orWhereNotNull('reference'))
      .pluck('id'),
  'a portal belongs to an account': async (tx) =>
    await tx('portals').whereNotIn('account_id', tx('accounts').select('id')).pluck('id'),
  'a portal with messages has its room and its notice': async (tx) =>
    await tx('portals')
      .where((it) => it.whereNull('room_id').orWhereNull('notice_event_id'))
      .whereIn('id', tx('messages').select('portal_id'))
      .pluck('id'),
};

/** @returns one line a broken rule, with the first rows that break it; empty when all hold. */
export async function checkConsistency(tx: Tx): Promise<string[]> {
  const broken: string[] = [];
  for (const [rule, find] of Object.entries(RULES)) {
    const rows = await find(tx);
    if (rows.length > 0) broken.push(`${rule}: ${rows.length} rows, first ${String(rows[0])}`);
  }
  return broken;
}
