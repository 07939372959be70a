/** The gatekeeper process's side of `modules/mod_gk_admin.lua`. */
import { prosodyErrors } from './prosody-errors.ts';

/** What Prosody holds for one account. */
export interface AccountHoldings {
  readonly enabled: boolean;
  /** Connections open now; a session that waits for its resumption is none. */
  readonly sessions: number;
  /** Messages in the offline queue. */
  readonly offline: number;
  /** Messages in the archive. */
  readonly archived: number;
}

export class ProsodyAdmin {
  readonly #base: string;
  readonly #secret: string;

  constructor(options: { readonly port: number; readonly secret: string }) {
    this.#base = `http://127.0.0.1:${options.port}/gk/accounts/`;
    this.#secret = options.secret;
  }

  /**
   * Makes the account if it is missing. `enabled: false` closes its sessions and refuses its logins.
   * A repeated call is harmless. @throws BridgeError `sandbox-prosody/admin`.
   */
  async save(localpart: string, enabled: boolean): Promise<void> {
    await this.#call('PUT', localpart, JSON.stringify({ enabled }));
  }

  /** @returns `undefined` for no such account. @throws BridgeError `sandbox-prosody/admin`. */
  async find(localpart: string): Promise<AccountHoldings | undefined> {
    const response = await this.#call('GET', localpart);
    return response.status === 404 ? undefined : ((await response.json()) as AccountHoldings);
  }

  /**
   * Closes its sessions; deletes account, archive and offline queue. An account that is not there counts as deleted.
   * @throws BridgeError `sandbox-prosody/admin`.
   */
  async delete(localpart: string): Promise<void> {
    await this.#call('DELETE', localpart);
  }

  async #call(method: 'PUT' | 'GET' | 'DELETE', localpart: string, body?: string): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(this.#base + encodeURIComponent(localpart), {
        method,
        headers: { authorization: `Bearer ${this.#secret}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(10_000),
      });
    } catch (failure) {
      throw prosodyErrors.admin({ method }, failure);
    }
    if (!response.ok && !(response.status === 404 && method !== 'PUT')) {
      throw prosodyErrors.admin({ method, status: response.status });
    }
    return response;
  }
}
