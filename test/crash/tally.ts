/** What was sent on each way of each chat, and what came: the judge of the crash suite. */
export type Verdict = Readonly<{ sent: number; lost: number; duplicated: number; reordered: number }>;

export class Tally {
  readonly #sent = new Map<string, string[]>();
  readonly #arrived = new Map<string, string[]>();
  readonly #late = new Set<string>();

  /** @param way one direction of one chat. */
  sent(way: string, body: string): void {
    at(this.#sent, way).push(body);
  }

  /** @param isLate it had to be asked for again, so that its place says nothing. */
  arrived(way: string, body: string, isLate = false): void {
    at(this.#arrived, way).push(body);
    if (isLate) this.#late.add(`${way} ${body}`);
  }

  /** How many messages came only when they were asked for again. */
  get late(): number {
    return this.#late.size;
  }

  countUnderWay(way: string): number {
    return (this.#sent.get(way)?.length ?? 0) - new Set(this.#arrived.get(way)).size;
  }

  /** Whether everything that was sent, on the ways that count, has come at least once. */
  isComplete(counts: (way: string) => boolean = () => true): boolean {
    return [...this.#sent].every(([way, bodies]) => {
      if (!counts(way)) return true;
      const come = new Set(this.#arrived.get(way));
      return bodies.every((body) => come.has(body));
    });
  }

  /** A line for each way on which something is wrong, with the first bodies of each kind. */
  complaints(): string[] {
    return [...this.#sent].flatMap(([way, bodies]) => {
      const { lost, twice, misplaced } = this.#judge(way, bodies);
      const kinds = Object.entries({ missing: lost, twice, misplaced });
      return kinds.flatMap(([kind, wrong]) =>
        wrong.length === 0 ? [] : [`${way}: ${wrong.length} ${kind}, first ${wrong[0]}`],
      );
    });
  }

  verdict(): Verdict {
    let [sent, lost, duplicated, reordered] = [0, 0, 0, 0];
    for (const [way, bodies] of this.#sent) {
      const judged = this.#judge(way, bodies);
      sent += bodies.length;
      lost += judged.lost.length;
      duplicated += judged.twice.length;
      reordered += judged.misplaced.length;
    }
    return { sent, lost, duplicated, reordered };
  }

  #judge(way: string, bodies: readonly string[]) {
    const come = this.#arrived.get(way) ?? [];
    const unique = new Set(come);
    const inTime = (body: string) => !this.#late.has(`${way} ${body}`);
    const order = [...unique].filter(inTime);
    const expected = bodies.filter((body) => unique.has(body) && inTime(body));
    return {
      lost: bodies.filter((body) => !unique.has(body)),
      twice: come.filter((body, index) => come.indexOf(body) !== index),
      misplaced: expected.filter((body, index) => order[index] !== body),
    };
  }
}

function at(map: Map<string, string[]>, way: string): string[] {
  const list = map.get(way) ?? [];
  map.set(way, list);
  return list;
}
