// Tests of module EventLoop.
