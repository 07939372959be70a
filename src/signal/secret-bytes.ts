/**
 * Zeroing of serialised private keys and sessions, as far as JavaScript allows it.
 *
 * What we can zero: the copies that pass through our hands between libsignal and the sealer, in both directions.
 * What we cannot: libsignal's native objects (freed, not always wiped, when the garbage collector finds their handle),
 * what AES-GCM holds while it works, and copies that the operating system makes (swap, core dumps). Public keys and
 * ciphertext are not secret and are left alone; plaintext belongs to the caller.
 */

/**
 * Lets `use` read secret bytes and zeroes them when it is done, whether or not it failed. `use` must not keep them:
 * libsignal's `deserialize` copies.
 */
export function consumeSecret<T>(secret: Uint8Array, use: (secret: Uint8Array<ArrayBuffer>) => T): T {
  try {
    return use(asBytes(secret));
  } finally {
    secret.fill(0);
  }
}

/** As `consumeSecret`, for a use that takes time. */
export async function consumeSecretLater<T>(
  secret: Uint8Array,
  use: (secret: Uint8Array) => Promise<T>,
): Promise<T> {
  try {
    return await use(secret);
  } finally {
    secret.fill(0);
  }
}

/** The same bytes under the type that libsignal's declarations ask for; they are read only, so any buffer will do. */
export function asBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
