import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { storageErrors } from '../../../src/storage/errors.ts';
import { toOutage } from '../../../src/storage/outage.ts';

const failed = (code: string, message = 'told by the driver') => Object.assign(new Error(message), { code });

describe('a failed transaction', () => {
  for (const code of ['08006', '57P01', '57P03', '53300', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']) {
    it(`with PostgreSQL's ${code} is the server's, and may be done again`, () => {
      const outage = toOutage(failed(code), 'postgres');
      assert.equal(outage?.code, 'storage/unreachable');
      assert.equal(outage?.retry, 'later');
    });
  }

  for (const words of [
    'Connection terminated unexpectedly',
    'BEGIN; - Client has encountered a connection error and is not queryable',
    'Knex: Timeout acquiring a connection. The pool is probably full.',
  ]) {
    it(`that says "${words}" is the server's`, () => {
      assert.equal(toOutage(new Error(words), 'postgres')?.code, 'storage/unreachable');
    });
  }

  for (const code of ['SQLITE_IOERR_WRITE', 'SQLITE_CANTOPEN', 'SQLITE_BUSY', 'SQLITE_READONLY_DBMOVED']) {
    it(`with SQLite's ${code} is the file's`, () => {
      assert.equal(toOutage(failed(code), 'sqlite')?.code, 'storage/unreachable');
    });
  }

  it('for want of room is told apart', () => {
    assert.equal(toOutage(failed('SQLITE_FULL'), 'sqlite')?.code, 'storage/diskFull');
    assert.equal(toOutage(failed('53100'), 'postgres')?.code, 'storage/diskFull');
  });

  it('is the database’s also where the cause lies deep, as under an error of libsignal', () => {
    const deep = new Error('encryption', { cause: new Error('store', { cause: failed('SQLITE_FULL') }) });
    const outage = toOutage(deep, 'sqlite');
    assert.equal(outage?.code, 'storage/diskFull');
    assert.equal(outage?.cause, deep);
  });

  it('that broke a rule of the schema, or is a bug, stays what it is', () => {
    for (const failure of [
      failed('23505'),
      failed('SQLITE_CONSTRAINT_UNIQUE'),
      new TypeError('a bug'),
      'text',
    ]) {
      assert.equal(toOutage(failure, 'sqlite'), undefined);
      assert.equal(toOutage(failure, 'postgres'), undefined);
    }
    assert.equal(toOutage(storageErrors.inUse({}, failed('ECONNRESET')), 'postgres'), undefined);
  });
});
