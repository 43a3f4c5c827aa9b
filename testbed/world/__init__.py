"""The world that a simulator shows: maps, what stands on them, and the renderer. It knows no network and no client."""
