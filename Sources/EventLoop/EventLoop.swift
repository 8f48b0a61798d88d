// Module EventLoop.
