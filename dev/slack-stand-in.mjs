// A stand-in for Slack's incoming webhooks, for this machine: dev/slack-stand-in.mjs [PORT]
// Prints its port first. Answers as Slack does, and gives what it has received at /messages.

import { createServer } from "node:http";

const messages = [];

const server = createServer(async (request, response) => {
  const answer = (status, body) => response.writeHead(status, { "content-type": "text/plain" }).end(body);
  if (request.method === "GET" && request.url === "/messages") return answer(200, JSON.stringify(messages));
  if (request.method !== "POST" || !/^\/services\/T\w+\/B\w+\/\w+$/.test(request.url)) return answer(404, "no_service");
  let body = "";
  for await (const chunk of request) body += chunk;
  try {
    const payload = JSON.parse(body);
    if (!payload.text && !payload.attachments && !payload.blocks) return answer(400, "no_text");
    messages.push(payload);
  } catch {
    return answer(400, "invalid_payload");
  }
  answer(200, "ok");
});

server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(server.address().port));
