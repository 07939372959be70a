/** Figures and the tables they are printed in. */

/**
 * The value that this share of the samples does not exceed (nearest rank).
 * @param share from 0 to 1. @returns NaN when there are no samples.
 */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export type Table = Readonly<{
  title: string;
  head: readonly string[];
  rows: readonly (readonly string[])[];
}>;

/** As Markdown, so that a run can be pasted into docs/performance.md; padded, so that it reads on a terminal. */
export function formatTable({ title, head, rows }: Table): string {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, 3, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => pad(cells[column] ?? '', width, column)).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return ['', `### ${title}`, '', line(head), rule, ...rows.map(line), ''].join('\n');
}

function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

/** Milliseconds, to three digits at most. */
export function ms(value: number): string {
  return `${digits(value)} ms`;
}

export function perSecond(count: number, tookMs: number): string {
  return `${digits((count / tookMs) * 1_000)}/s`;
}

export function mib(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

export function kib(bytes: number): string {
  return `${(bytes / 1_024).toFixed(1)} KiB`;
}

export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

export function gib(bytes: number): string {
  return `${(bytes / 1_073_741_824).toFixed(0)} GiB`;
}
