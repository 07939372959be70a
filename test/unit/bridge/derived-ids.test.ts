import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  contactNoticeId,
  interopIdHash,
  matrixTxnId,
  outboundMessageId,
  portalAliasSuffix,
  receiptStanzaId,
  stanzaOf,
} from '../../../src/bridge/derived-ids.ts';
import { accountId, contactId, eventId, matrixUserId, portalId } from '../../../src/model/ids.ts';

const SECRET = Buffer.alloc(32, 7);
const UUID = '11111111-2222-3333-4444-555555555555';
const ACCOUNT = accountId(UUID);
const BOT = matrixUserId('@bridge:example.org');
const GHOST = matrixUserId('@ghost:example.org');
const BOB = contactId('bob@gk.example');
const EVENT = eventId('$event');
const VECTORS = {
  message: '0b473393ce429f19379e114cbb16eca8',
  notice: '29514afe7bb8c2d92d6969a397c68dba',
  receipt: '24b9fbbbe741df7860878bb0c2961ac7',
  txn: 'dbf97484e96a3bc84acd02a34d5ff9bc10',
  alias: 'd62619dd94f568b883079ead176f2453',
  interop: '51fb32550d6f51e334ea8cfae402832c55801f90b9599825084ee6f097e32061',
};

describe('derived ids', () => {
  it('are what released versions made of the same facts: a row or a room of before is found again', () => {
    assert.deepEqual(
      {
        message: outboundMessageId(SECRET, EVENT, 0),
        notice: contactNoticeId(SECRET, portalId(UUID)),
        receipt: receiptStanzaId(SECRET, BOB, 'stanza'),
        txn: matrixTxnId(SECRET, BOT, 'notice', '!room', 'key'),
        alias: portalAliasSuffix(SECRET, ACCOUNT, BOB),
        interop: interopIdHash(SECRET, 'gk', 'interop-1'),
      },
      VECTORS,
    );
  });

  it('a message id is the first 16 bytes of HMAC-SHA256 over length-prefixed parts', () => {
    const mac = createHmac('sha256', SECRET).update('7:message6:$event1:0').digest('hex');
    assert.equal(outboundMessageId(SECRET, EVENT, 0), mac.slice(0, 32));
  });

  it('lengths count bytes, so no character shifts a boundary', () => {
    const mac = createHmac('sha256', SECRET).update('10:interop-id2:gk2:é').digest('hex');
    assert.equal(interopIdHash(SECRET, 'gk', 'é'), mac);
  });

  it('differ when any part differs', () => {
    const ids = [
      outboundMessageId(SECRET, EVENT, 0),
      outboundMessageId(SECRET, EVENT, 1),
      outboundMessageId(SECRET, eventId('$event1'), 0),
      outboundMessageId(Buffer.alloc(32, 8), EVENT, 0),
      contactNoticeId(SECRET, portalId(UUID)),
      receiptStanzaId(SECRET, BOB, '$event'),
      receiptStanzaId(SECRET, contactId('eve@gk.example'), '$event'),
      portalAliasSuffix(SECRET, ACCOUNT, BOB),
      portalAliasSuffix(SECRET, accountId('11111111-2222-3333-4444-555555555556'), BOB),
    ];
    assert.equal(new Set<string>(ids).size, ids.length);
  });

  it('a transaction id tells senders apart, as the homeserver does not', () => {
    assert.notEqual(matrixTxnId(SECRET, BOT, 'a'), matrixTxnId(SECRET, GHOST, 'a'));
  });

  it('no two lists of parts give one transaction id, however the parts are cut', () => {
    const parts = fc.array(fc.string({ unit: 'grapheme', maxLength: 6 }), { maxLength: 4 });
    const list = fc.oneof(
      parts,
      fc.array(fc.constantFrom('', '1', ':', '1:1', '0:', '2:ab', 'ab'), { maxLength: 4 }),
    );
    fc.assert(
      fc.property(list, list, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        assert.equal(matrixTxnId(SECRET, BOT, ...one) === matrixTxnId(SECRET, BOT, ...other), same);
      }),
    );
    const moved = [['ab', ''], ['a', 'b'], ['', 'ab'], ['ab'], ['1:a', 'b'], ['a1:b']];
    assert.equal(new Set(moved.map((cut) => matrixTxnId(SECRET, BOT, ...cut))).size, moved.length);
  });

  it('fit where they are used: 32 digits for a message, 64 for a hash, nothing to escape in an alias or a path', () => {
    assert.match(outboundMessageId(SECRET, EVENT, 0), /^[0-9a-f]{32}$/);
    assert.match(interopIdHash(SECRET, 'gk', 'x'), /^[0-9a-f]{64}$/);
    assert.match(portalAliasSuffix(SECRET, ACCOUNT, BOB), /^[0-9a-f]{32}$/);
    assert.match(matrixTxnId(SECRET, BOT, '/?#'), /^db[0-9a-f]{32}$/);
  });

  it('a stanza bears the id of its message', () => {
    const id = outboundMessageId(SECRET, EVENT, 0);
    assert.equal(stanzaOf(id), id);
  });
});
