/** Edit distance with swaps of neighbours counted once (optimal string alignment), case-insensitive. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let best = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, beforeLast[j - 2] + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}

/** The candidate that a mistyped or shortened `name` most likely meant; undefined when nothing is close. */
function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const wanted = name.slice(0, 200).toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 2)) + 0.5;
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.slice(0, 200).toLowerCase());
    if (distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  // `sSFR` for LOGSSFR: the shortest that it is a good part of
  const whole = candidates.filter((candidate) => wanted.length > 2 && candidate.toLowerCase().includes(wanted));
  return best ?? whole.sort((a, b) => a.length - b.length)[0];
}

/** ` (did you mean "x"?)` or nothing: the tail of an error about an unknown name. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const nearest = nearestName(name, [...candidates]);
  return nearest === undefined ? "" : ` (did you mean "${nearest}"?)`;
}
