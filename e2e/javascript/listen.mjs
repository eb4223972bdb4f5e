// Listens with the stock Socket.io client and prints each event as one JSON line.
//
//   node listen.mjs URL TRANSPORT USER [TOKEN]     TRANSPORT: websocket | polling

import { io } from "socket.io-client";

const [url, transport, userId, token] = process.argv.slice(2);
const print = (event, data) => console.log(JSON.stringify({ event, data }));

const socket = io(url, { transports: [transport], auth: { userId, token } });
socket.on("connect", () => print("connect", { transport: socket.io.engine.transport.name }));
socket.on("disconnect", (reason) => print("disconnect", { reason }));
socket.on("connect_error", (error) => print("connect_error", { message: error.message }));
socket.onAny((event, data) => print(event, data));
