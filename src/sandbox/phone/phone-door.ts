/** A phone's calls to its gatekeeper's loopback listener: `/phones/v1` (see `gatekeeper/internal-api.ts`). */
import { phoneErrors } from './phone-errors.ts';

export interface PhoneContact {
  readonly jid: string;
  readonly display_name?: string;
  /** The visible identifier: a Matrix user id. */
  readonly identifier: string;
}

export class PhoneDoor {
  readonly #base: string;
  readonly #authorization: string;

  /** @param options `url`: base of the listener; `secret`: from the enrolment. */
  constructor(options: { readonly url: string; readonly localpart: string; readonly secret: string }) {
    this.#base = `${options.url}/phones/v1`;
    this.#authorization = `Bearer ${options.localpart}.${options.secret}`;
  }

  /** A fresh proof token for one login. @throws BridgeError `sandbox-phone/door`. */
  async token(): Promise<string> {
    const { token } = (await this.#call('POST', '/token')) as { token: string };
    return token;
  }

  /** Publishes identity, signed and last-resort key. @throws BridgeError `sandbox-phone/door`. */
  async publish(device: Record<string, unknown>): Promise<void> {
    await this.#call('PUT', '/device', device);
  }

  /** The enlisted users of third parties. @throws BridgeError `sandbox-phone/door`. */
  async contacts(): Promise<PhoneContact[]> {
    const { contacts } = (await this.#call('GET', '/contacts')) as { contacts: PhoneContact[] };
    return contacts;
  }

  async #call(method: 'POST' | 'PUT' | 'GET', path: string, body?: unknown): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(this.#base + path, {
        method,
        headers: { authorization: this.#authorization },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(10_000),
      });
    } catch (failure) {
      throw phoneErrors.door({ call: path }, failure);
    }
    if (!response.ok) throw phoneErrors.door({ call: path, status: response.status });
    return response.status === 204 ? undefined : response.json();
  }
}
