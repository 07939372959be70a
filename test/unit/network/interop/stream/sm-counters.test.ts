import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  OutboundCounter,
  parseWireCount,
  toWireCount,
} from '../../../../../src/network/interop/stream/sm-counters.ts';

describe('XEP-0198 counts', () => {
  it('are read as unsigned 32-bit numbers only', () => {
    assert.equal(parseWireCount('0'), 0);
    assert.equal(parseWireCount('4294967295'), 2 ** 32 - 1);
    for (const text of [undefined, '', '-1', '1.5', '0x1', '1e3', ' 1', '4294967296', '99999999999', 'NaN']) {
      assert.equal(parseWireCount(text), undefined, text);
    }
  });

  it('wrap on the wire at 2^32', () => {
    assert.equal(toWireCount(2 ** 32), '0');
    assert.equal(toWireCount(2 ** 32 + 5), '5');
    const counter = new OutboundCounter(2 ** 32 - 2);
    counter.add(4);
    assert.equal(counter.acknowledge(2 ** 32 - 1), 2 ** 32 - 1);
    assert.equal(counter.acknowledge(1), 2 ** 32 + 1);
    assert.equal(counter.inFlight, 1);
  });

  it('acknowledge no more than was sent', () => {
    const counter = new OutboundCounter();
    counter.add(3);
    assert.equal(counter.acknowledge(4), undefined);
    assert.equal(counter.acknowledge(2 ** 32 - 1), undefined);
    assert.equal(counter.acknowledge(3), 3);
    assert.equal(counter.acknowledge(3), 3);
  });

  it('never go back', () => {
    const counter = new OutboundCounter();
    counter.add(3);
    counter.acknowledge(2);
    assert.equal(counter.acknowledge(1), undefined);
    assert.equal(counter.acked, 2);
  });
});
