// Serves the page and the built packages: `npm run example browser`, then open the address it prints.
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

const root = new URL("../../", import.meta.url);

/** The file behind a path, of those that the page needs. */
function fileOf(path: string): string | undefined {
  if (path === "/") return "examples/browser/index.html";
  if (path === "/page.js") return "examples/browser/page.js";
  return /^\/packages\/[\w-]+\/dist\/(?:[\w-]+\/)*[\w-]+\.js$/.test(path) ? path.slice(1) : undefined;
}

/** Listens on this machine only; port 0 takes a free one. */
export async function serve(port = 0): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer(async (request, response) => {
    const file = fileOf(request.url ?? "");
    const body = file && (await readFile(new URL(file, root)).catch(() => undefined));
    if (body === undefined || body === "") return void response.writeHead(404).end();
    const type = file?.endsWith(".html") ? "text/html" : "text/javascript";
    response
      .writeHead(200, { "content-type": `${type}; charset=utf-8`, "cache-control": "no-store" })
      .end(body);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve);
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server };
}

if (import.meta.main) console.log((await serve(Number(process.env["PORT"] ?? 8080))).url);
