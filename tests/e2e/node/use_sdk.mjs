// Uses the SDK in one way and prints what it gave as JSON.
// Arguments: the way, the base URL, the prompt.
import Anthropic from "@anthropic-ai/sdk";

const [way, baseURL, prompt] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey: "unused", maxRetries: 0 });
const asked = {
  model: "claude-demo",
  max_tokens: 256,
  messages: [{ role: "user", content: prompt }],
};
const tools = [
  {
    name: "get_weather",
    description: "Tells the weather of a place.",
    input_schema: {
      type: "object",
      properties: { location: { type: "string" } },
      required: ["location"],
    },
  },
];

const ways = {
  async stream() {
    const stream = client.messages.stream(asked);
    const events = [];
    for await (const event of stream) events.push(event);
    return { events, message: await stream.finalMessage() };
  },

  async create() {
    const events = [];
    try {
      const stream = await client.messages.create({ ...asked, stream: true });
      for await (const event of stream) events.push(event);
    } catch (error) {
      return { events, error: [error.constructor.name, error.status, error.message] };
    }
    return { events };
  },

  async whole() {
    return await client.messages.create(asked);
  },

  async bytes() {
    const pending = client.messages.create({ ...asked, stream: true });
    const response = await pending.asResponse();
    return Buffer.from(await response.arrayBuffer()).toString("base64");
  },

  async tools() {
    const messages = [...asked.messages];
    for (;;) {
      const stream = client.messages.stream({ ...asked, messages, tools });
      const { role, content, stop_reason } = await stream.finalMessage();
      messages.push({ role, content });
      if (stop_reason !== "tool_use") return messages;
      const calls = content.filter((block) => block.type === "tool_use");
      const results = calls.map(({ id, input }) => ({
        type: "tool_result",
        tool_use_id: id,
        content: `Sunny in ${input.location}.`,
      }));
      messages.push({ role: "user", content: results });
    }
  },
};

console.log(JSON.stringify(await ways[way]()));
