import { defineErrors } from '../model/errors.ts';

export const signalErrors = defineErrors('signal', {
  /** No usable session to encrypt with: fetch the contact's bundle, `start`, and encrypt again. */
  sessionMissing: { retry: 'later', arrived: 'no', notice: 'cannot-encrypt-yet' },
  /** The contact's device shows another identity key than the one trusted; the new one waits for the user's decision. */
  identityChanged: { retry: 'after-user', arrived: 'no', notice: 'contact-key-changed' },
  /** This very message was decrypted before: drop it without a word. */
  duplicate: { retry: 'never', arrived: 'yes', notice: 'internal' },
  /** The message parses but does not open: wrong MAC, no session, unknown or used prekey. Ask the sender for a new one. */
  undecryptable: { retry: 'never', arrived: 'no', notice: 'message-undecryptable' },
  /** The message is no Signal message at all. */
  badMessage: { retry: 'never', arrived: 'no', notice: 'message-undecryptable' },
  /** A bundle with which no session may begin: wrong signature, broken or missing key, other device. */
  badBundle: { retry: 'later', arrived: 'no', notice: 'cannot-encrypt-yet' },
  /** The account has no Signal device yet, or none any more. */
  deviceMissing: { retry: 'never', arrived: 'no', notice: 'internal' },
  /** A stored record opened but does not parse: written by another version of libsignal? */
  recordBroken: { retry: 'never', arrived: 'no', notice: 'internal' },
});
