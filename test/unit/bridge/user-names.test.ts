import assert from 'node:assert/strict';
import { it } from 'node:test';
import { localpartOf } from '../../../src/bridge/user-names.ts';
import { matrixUserId } from '../../../src/model/ids.ts';

it('the local part ends at the first colon: a port belongs to the server', () => {
  assert.equal(localpartOf(matrixUserId('@ada:example.org')), 'ada');
  assert.equal(localpartOf(matrixUserId('@ada:example.org:8448')), 'ada');
  assert.equal(localpartOf(matrixUserId('@:example.org')), '');
});
