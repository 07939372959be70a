import type { Readable } from 'node:stream';

/** A finished file to be kept. `sha256`: of all its bytes. */
export type FinishedFile = Readonly<{ path: string; sizeBytes: number; sha256: Buffer }>;

/** Where hosted files lie: ciphertext under ids that say nothing. Which of them exist, the database knows. */
export interface MediaStore {
  /** Makes ready what can be. @throws BridgeError `media/unavailable`, `media/refused`. */
  start(): Promise<void>;
  /**
   * Keeps the file under `id`, durably when it resolves. Takes the file away, or leaves it to the caller. One that is there
   * already is replaced.
   * @throws BridgeError `media/unavailable`, `media/refused`.
   */
  put(id: string, file: FinishedFile): Promise<void>;
  /**
   * Opens a part: `start` to `end`, both within the file, the latter not included.
   * @throws BridgeError `media/gone`, `media/unavailable`, `media/refused`. The stream may fail later.
   */
  read(id: string, range: { start: number; end: number }): Promise<Readable>;
  /** Harmless when there is none. @throws BridgeError `media/unavailable`, `media/refused`. */
  delete(id: string): Promise<void>;
}
