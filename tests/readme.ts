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

/** An example's file in examples/, without its ending, and what it prints. */
export interface EmbeddedExample {
  readonly name: string;
  readonly code: string;
  readonly output: string;
}

const EMBEDDED = /^<!-- example: ([\w-]+) -->\n(?:\n```ts\n.*?^```\n)?(?:\n```text\n.*?^```\n)?/gms;

/** Names of the examples that a text embeds: `<!-- example: NAME -->` stands before each. */
export function embeddedNames(markdown: string): string[] {
  return Array.from(markdown.matchAll(EMBEDDED), ([, name]) => name!);
}

/** The text with each embedded example as it is now. Throws for one that is not there. */
export function embed(markdown: string, examples: readonly EmbeddedExample[]): string {
  return markdown.replace(EMBEDDED, (_, name: string) => {
    const found = examples.find((example) => example.name === name);
    if (found === undefined) throw new Error(`there is no example ${name}`);
    const { code, output } = found;
    return `<!-- example: ${name} -->\n\n\`\`\`ts\n${code}\`\`\`\n\n\`\`\`text\n${output}\`\`\`\n`;
  });
}
