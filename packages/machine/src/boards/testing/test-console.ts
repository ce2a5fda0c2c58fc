/** A console that keeps what was written and offers what was typed. */
export function testConsole(typed = "") {
  const input: number[] = [];
  const decoder = new TextDecoder();
  const console = {
    text: "",
    write(bytes: Uint8Array) {
      this.text += decoder.decode(bytes, { stream: true });
    },
    read: () => input.shift() ?? -1,
    type(text: string) {
      input.push(...new TextEncoder().encode(text));
    },
  };
  console.type(typed);
  return console;
}
