/** test/fixtures/convert/text: what a Matrix content says (`text`), and how the same is written for Matrix again (`back`). */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { JsonObject } from '../../../../src/matrix/json-object.ts';
import { fromMatrixText, toMatrixText } from '../../../../src/matrix/text/matrix-text.ts';
import type { FormattedText } from '../../../../src/model/chat-event.ts';
import { matrixUserId } from '../../../../src/model/ids.ts';

const FOLDER = path.join(import.meta.dirname, '../../../fixtures/convert/text');
const BOB = matrixUserId('@bob:m.example');
const BOB_JID = 'bob@gk.example';

interface Fixture {
  readonly rule: string;
  readonly event: JsonObject;
  readonly text: FormattedText;
  readonly back: JsonObject;
}

describe('Matrix text and ranges', () => {
  for (const file of readdirSync(FOLDER)) {
    const { rule, event, text, back } = JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8')) as Fixture;
    it(`${file}: ${rule}`, () => {
      const options = {
        contactOf: (user: string) => (user === BOB ? BOB_JID : undefined),
        isReply: event['m.relates_to'] !== undefined,
      };
      assert.deepEqual(fromMatrixText(event, options), text);
      const userOf = (jid: string) => (jid === BOB_JID ? BOB : undefined);
      assert.deepEqual({ msgtype: 'm.text', ...toMatrixText(text, { userOf }) }, back);
      assert.deepEqual(fromMatrixText(back, { ...options, isReply: false }), text);
    });
  }
});
