/**
 * Compares two Debian package versions (deb-version(7)): negative when `a` is older, 0 when they are
 * equal, positive when it is newer.
 */
export function compareVersions(a: string, b: string): number {
  const [epochA, upstreamA, revisionA] = splitVersion(a);
  const [epochB, upstreamB, revisionB] = splitVersion(b);
  return epochA - epochB || compareParts(upstreamA, upstreamB) || compareParts(revisionA, revisionB);
}

function splitVersion(version: string): [epoch: number, upstream: string, revision: string] {
  const colon = version.indexOf(":");
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  const epoch = colon < 0 ? 0 : Number(version.slice(0, colon));
  return dash < 0 ? [epoch, rest, ""] : [epoch, rest.slice(0, dash), rest.slice(dash + 1)];
}

/** Alternately a part without digits and a number, from the left. */
function compareParts(a: string, b: string): number {
  let restA = a;
  let restB = b;
  while (restA !== "" || restB !== "") {
    const wordA = /^\D*/.exec(restA)?.[0] ?? "";
    const wordB = /^\D*/.exec(restB)?.[0] ?? "";
    const words = compareWords(wordA, wordB);
    if (words !== 0) return words;
    const digitsA = /^\d*/.exec(restA.slice(wordA.length))?.[0] ?? "";
    const digitsB = /^\d*/.exec(restB.slice(wordB.length))?.[0] ?? "";
    const numbers = Number(digitsA) - Number(digitsB);
    if (numbers !== 0) return numbers;
    restA = restA.slice(wordA.length + digitsA.length);
    restB = restB.slice(wordB.length + digitsB.length);
  }
  return 0;
}

/** `~` sorts before the end of the word, letters before everything else. */
function compareWords(a: string, b: string): number {
  const weight = (text: string, at: number): number => {
    if (at >= text.length) return 0;
    const char = text.charAt(at);
    if (char === "~") return -1;
    return /[A-Za-z]/.test(char) ? char.charCodeAt(0) : char.charCodeAt(0) + 256;
  };
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const difference = weight(a, at) - weight(b, at);
    if (difference !== 0) return difference;
  }
  return 0;
}
