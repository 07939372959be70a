import type { PrekeyBundle, SignalMessage } from '../model/prekeys.ts';
import type { Tx } from '../storage/storage.ts';

/**
 * The session with one device of a contact, inside `SignalService.inSession`. Not to be kept past its callback.
 *
 * A method that throws has changed nothing: `work` may catch its error and go on in the same transaction.
 */
export interface SignalSession {
  /** What is written through it commits with the ratchet's steps or not at all. */
  readonly tx: Tx;

  /**
   * Advances the ratchet by one message.
   * @param plaintext already padded (interop profile §6).
   * @throws BridgeError `signal/sessionMissing`: fetch a bundle outside, then `start` and encrypt in a new `inSession`.
   *   `signal/identityChanged`: a changed key waits for the user.
   */
  encrypt(plaintext: Uint8Array): Promise<SignalMessage>;

  /**
   * @returns the plaintext, still padded.
   * @throws BridgeError `signal/badMessage`, `signal/undecryptable`, `signal/duplicate`, `signal/identityChanged`; after
   *   the last one the very same message decrypts once the user trusts the new key.
   */
  decrypt(message: SignalMessage): Promise<Uint8Array>;

  /** Whether `encrypt` has a session to use; one that nobody has answered for 30 days is none. */
  exists(): Promise<boolean>;

  /**
   * Begins a session with a bundle of the contact's; one that there was still decrypts, but is not used to encrypt.
   * @throws BridgeError `signal/badBundle`, `signal/identityChanged`.
   */
  start(bundle: PrekeyBundle): Promise<void>;

  /** Ends the use of the session for encryption; it still decrypts. Harmless when there is none. */
  archive(): Promise<void>;
}
