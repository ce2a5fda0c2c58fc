/** A program in a README: a `ts` block, with the `text` block after it as what it prints. */
export interface ReadmeExample {
  readonly code: string;
  readonly output?: string;
}

/** The programs of a README, in order. */
export function readmeExamples(markdown: string): ReadmeExample[] {
  const pattern = /^```ts\n(?<code>.*?)^```$(?:\s+^```text\n(?<output>.*?)^```$)?/gms;
  return Array.from(markdown.matchAll(pattern), ({ groups }) => {
    const { code, output } = groups as { code: string; output?: string };
    return output === undefined ? { code } : { code, output };
  });
}
