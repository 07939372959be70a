/** What was sent on each way of each chat, and what came: the judge of the crash suite. */
export type Verdict = Readonly<{ sent: number; lost: number; duplicated: number; reordered: number }>;

export class Tally {
  readonly #sent = new Map<string, string[]>();
  readonly #arrived = new Map<string, string[]>();

  /** @param way one direction of one chat. */
  sent(way: string, body: string): void {
    at(this.#sent, way).push(body);
  }

  arrived(way: string, body: string): void {
    at(this.#arrived, way).push(body);
  }

  /** Whether everything that was sent has come at least once. */
  isComplete(): boolean {
    return [...this.#sent].every(([way, bodies]) => {
      const come = new Set(this.#arrived.get(way));
      return bodies.every((body) => come.has(body));
    });
  }

  /** The ways that lack something, with the first bodies that are missing. */
  missing(): string[] {
    return [...this.#sent].flatMap(([way, bodies]) => {
      const come = new Set(this.#arrived.get(way));
      const absent = bodies.filter((body) => !come.has(body));
      return absent.length === 0 ? [] : [`${way}: ${absent.length} missing, first ${absent[0]}`];
    });
  }

  verdict(): Verdict {
    let [sent, lost, duplicated, reordered] = [0, 0, 0, 0];
    for (const [way, bodies] of this.#sent) {
      const come = this.#arrived.get(way) ?? [];
      const unique = [...new Set(come)];
      sent += bodies.length;
      lost += bodies.filter((body) => !unique.includes(body)).length;
      duplicated += come.length - unique.length;
      const expected = bodies.filter((body) => unique.includes(body));
      reordered += expected.filter((body, index) => unique[index] !== body).length;
    }
    return { sent, lost, duplicated, reordered };
  }
}

function at(map: Map<string, string[]>, way: string): string[] {
  const list = map.get(way) ?? [];
  map.set(way, list);
  return list;
}
