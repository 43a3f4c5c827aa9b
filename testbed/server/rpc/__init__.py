"""CARLA 0.9.16's network protocol: msgpack-rpc calls, sensor streams, one thread and one epoll loop."""
