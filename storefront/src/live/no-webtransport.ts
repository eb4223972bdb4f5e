/** In place of the Socket.io client's WebTransport, which `openSocketIo` does not ask for. */
export const WT = null;
