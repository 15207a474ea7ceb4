"""Manifests of a stack as files, without Pulumi's engine, state or plugin: nothing can be deployed or deleted by it."""
