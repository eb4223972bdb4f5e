-- The health of a FlashSale in Argo CD: the value of
-- `resource.customizations.health.flashsale.dev_FlashSale` in the ConfigMap argocd-cm.
-- See docs/conditions.md.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function says(name, value)
  return conditions[name] ~= nil and conditions[name].status == value
end

local function health(word, name)
  return { status = word, message = conditions[name].reason .. ": " .. conditions[name].message }
end

-- First, since the operator does not judge the spec of a paused sale.
if says("Paused", "True") then
  return health("Suspended", "Paused")
end
if conditions.Ready == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "The operator has not looked at the spec yet" }
end
-- The operator goes on by itself once a store is back, but until then nothing is sold or settled.
for _, store in ipairs({ "QueueReachable", "DatabaseReachable" }) do
  if says(store, "False") then
    return health("Degraded", store)
  end
end
if says("Stalled", "True") then
  return health("Degraded", "Stalled")
end
if says("Ready", "True") then
  if says("Open", "False") and conditions.Open.reason == "Suspended" then
    return health("Suspended", "Open")
  end
  return { status = "Healthy", message = status.phase }
end
return health("Progressing", "Ready")
