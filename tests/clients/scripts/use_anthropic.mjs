// The TypeScript SDK.
import Anthropic from "@anthropic-ai/sdk";
import { MODEL, tell } from "./telling.mjs";

const client = new Anthropic();
const asked = (prompt) => ({
  model: MODEL,
  max_tokens: 256,
  messages: [{ role: "user", content: prompt }],
});

await tell({
  create: (prompt) => client.messages.create(asked(prompt)),
  async stream(prompt) {
    const stream = client.messages.stream(asked(prompt));
    const events = [];
    for await (const event of stream) events.push(event.type);
    return { events, message: await stream.finalMessage() };
  },
});
